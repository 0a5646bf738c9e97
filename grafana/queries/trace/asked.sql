-- What the viewer typed, without white space and angle brackets at its ends.
btrim('$message', E' \t<>')
