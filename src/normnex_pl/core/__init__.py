"""What crosses the border of every room: types, errors, writing whole files."""
