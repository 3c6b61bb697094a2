update reservation_sources
set holder = ?, leased_until = {epoch} + ?
where name = ? and (holder = ? or leased_until <= {epoch})
