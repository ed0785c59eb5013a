"""Looking inside: gradients checked, units, gates and attention explained."""
