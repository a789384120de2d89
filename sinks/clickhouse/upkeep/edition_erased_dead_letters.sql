-- Dead letters that were emptied. A condition.
detail = 'erased'
