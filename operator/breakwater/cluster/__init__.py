"""The only code that talks to the API server: transport, inventory, informers, writes, events, election."""
