"""The multiplane image: its fields, its appearance and compositing."""
