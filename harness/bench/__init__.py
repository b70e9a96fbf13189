"""Speed, measured as ratios taken in one run: machines are noisy, and some have no KVM."""
