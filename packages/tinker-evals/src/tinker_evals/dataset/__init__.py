"""Items and where their rows come from: the hub, an installed package, a file, or this package."""
