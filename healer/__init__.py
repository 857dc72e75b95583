"""The healer: a service on each app node that restarts an ill app.

It detects an app that crashed, hangs, answers wrongly, leaks memory or is too old. It runs on
Debian's python3-minimal, so it uses only the part of the standard library that this package has.
`diagnosis` and `guard` are pure functions; `run` is the loop around them.
"""
