"""How each kind of criterion is decided, and the verdict on all of them."""
