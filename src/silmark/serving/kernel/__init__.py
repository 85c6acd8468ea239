"""The compiled core: engines as arrays, from event to event."""
