insert into lab_hosts (name, lab, address, mac, status, created_at)
values {rows}
{keep name}
