select id, source
from reservations
where id in ({list}) and source is not null
order by id
