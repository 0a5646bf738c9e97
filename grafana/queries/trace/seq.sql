-- The recipient's number behind the queue id in what the viewer typed; empty without one.
lower(split_part({{trace/asked}}, '.', 2))
