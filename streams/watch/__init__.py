"""`watch`: rules are judged over complete windows, and people are told when an alert fires or is resolved."""
