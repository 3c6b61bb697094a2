insert into lab_hosts (name, lab, address, mac, status, created_at)
values {rows}
{upsert name} lab = {new lab}, address = {new address}, mac = {new mac}, status = {new status}
