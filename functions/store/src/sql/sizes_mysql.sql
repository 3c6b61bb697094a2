select table_name as name, cast(coalesce(data_length + index_length, 0) as signed) as size_bytes
from information_schema.tables
where table_schema = database()
order by size_bytes desc, name
