"""The container's first process: starts KCL's daemon, keeps it running and speaks for it over HTTP."""
