"""Pictures of views, components and layers, with titles and legends."""
