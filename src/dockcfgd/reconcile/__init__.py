"""The one writer: triggers and requests come in by a queue, frozen snapshots go out."""
