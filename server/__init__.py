"""The wiring and the edges: settings, sign-in, logs, the ASGI application, the command line.

This layer alone reads the environment and hands clocks, clients and connections to the layers below, none of which may
import it. No rule of the log and no SQL belongs here.
"""
