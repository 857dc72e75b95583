"""The healer: a service on each app node that sees its app die, hang, lie, leak or grow old, and
makes it well again.

It runs on the node by Debian's python3-minimal alone: nothing but the standard library, and only
what that package has of it. `judge` and `guard` are pure; `run` is the loop around them.
"""
