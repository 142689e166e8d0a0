"""The running half: claim, advance, submit, collect, settle."""
