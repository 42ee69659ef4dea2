-- Every full tile, as JSON.
SELECT row_to_json(tiles)::text FROM tiles ORDER BY level, index
