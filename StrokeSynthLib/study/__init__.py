"""Arms x case numbers x seeds: table, figures, report; the demo."""
