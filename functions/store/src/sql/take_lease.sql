insert into station_leases (host, holder, leased_until, run, begun_at)
values (?, ?, {epoch} + ?, ?, ?)
{upsert host} holder = {new holder}, leased_until = {new leased_until}
