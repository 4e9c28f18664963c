"""What only the book needs: the style of its figures, and its claims."""
