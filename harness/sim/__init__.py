"""A simulated Xen host, for tests of scale and of faults. Its verdicts count for nothing.

It stands behind `harness.host.xenhost.HostRunner`, so all of the harness above that is the real
one. Time is a number (`harness.sim.clock`): nothing sleeps, starts a program or a thread. No
module outside of this package imports it but `harness.plugin.simulated` and `harness.bench.fleet`,
whose flights are in no history. See ADR 23.
"""
