"""Results for Allure, of a whole flight.

allure-pytest writes one for each step while it runs, in whichever process that is. When the flight
is over the controller completes them (`write`): with phases, files, host and slot, and with those
that nobody wrote, since a worker died or pytest knows nothing of the step.
"""
