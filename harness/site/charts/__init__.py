"""Pictures as inline SVG: geometry and markup, no style, no script."""
