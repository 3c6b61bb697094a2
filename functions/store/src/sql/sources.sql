select name, tried_at, read_at, rows_read, refused, refused_rows, problem
from reservation_sources
order by name
