"""What only writes can show: a few objects are made in a sandbox that is not production, and removed again."""
