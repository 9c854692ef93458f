"""Real outputs: what flows export leaves the emulator for streams, event hubs and files."""
