select sequence, at, kind, host, payload
from updates
where sequence > ?
order by sequence
limit ?
