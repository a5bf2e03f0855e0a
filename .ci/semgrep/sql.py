import sqlalchemy as sa


def asked(conn, name):
    # ruleid: sql-put-together
    conn.execute(sa.text(f"SELECT * FROM runs WHERE id = '{name}'"))
    # ruleid: sql-put-together
    conn.exec_driver_sql("SELECT * FROM runs WHERE id = '%s'" % name)
    # ruleid: sql-put-together
    conn.execute("DROP TABLE " + name)
    # ruleid: sql-put-together
    conn.execute("DROP TABLE {}".format(name))
    # ok: sql-put-together
    conn.execute(sa.text("SELECT * FROM runs WHERE id = :id"), {"id": name})
