"""How AWS delivers, as state machines that know neither clock nor network."""
