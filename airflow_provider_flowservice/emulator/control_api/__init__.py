"""The emulator's own endpoints: ``/_emulator``."""
