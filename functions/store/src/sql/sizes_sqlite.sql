select s.tbl_name as name, sum(d.pgsize) as size_bytes
from dbstat d
join sqlite_schema s on s.name = d.name
where d.aggregate = true
group by s.tbl_name
order by size_bytes desc, name
