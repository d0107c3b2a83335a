"""How dates are written where a library writes them, such as in the admin: as everywhere else in the portal."""
