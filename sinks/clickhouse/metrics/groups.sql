-- The groups named in `by`; a dimension that isn't named is '' in every row. Part of a SELECT list.
if(has({by:Array(String)}, 'journey'), journey, '')       AS by_journey,
if(has({by:Array(String)}, 'stage'), stage, '')           AS by_stage,
if(has({by:Array(String)}, 'channel'), channel, '')       AS by_channel,
if(has({by:Array(String)}, 'touchpoint'), touchpoint, '') AS by_touchpoint,
if(has({by:Array(String)}, 'segment'), segment, '')       AS by_segment
