"""`watch`: rules are judged over complete windows, and notifications are sent when an alert fires or is resolved."""
