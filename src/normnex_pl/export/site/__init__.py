"""The viewer's pages: served to a browser, or published to a folder."""
