-- What a dead letter is called: by where it was refused first, however often it came back. An expression.
if(arrayExists(header -> header.name = 'touchstream-replay-of', headers),
   arrayFirst(header -> header.name = 'touchstream-replay-of', headers).value,
   concat(log_id, '/', toString(partition), '/', toString(log_offset)))
