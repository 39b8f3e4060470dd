"""Ini files as frozen, checked sections, and the keys under which results of them are cached."""
