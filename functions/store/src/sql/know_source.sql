insert into reservation_sources (name, holder, leased_until)
values {rows}
{keep name}
