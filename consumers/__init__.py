"""The Lambda handlers: thin, and with pipeline/ all that the deployed zip carries of ours."""
