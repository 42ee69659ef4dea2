# What must hold of the numbers of an environment; a plan that breaks it fails.

resource "terraform_data" "connections" {
  input = local.connections

  lifecycle {
    precondition {
      condition     = local.connections + local.connections_reserved <= var.database.max_connections
      error_message = "${var.instances.most} instances × ${var.workers} workers × (${var.connections_per_worker} + 1) connections${var.staging_slot ? ", twice during a swap," : ""} and ${local.connections_reserved} reserved ones are more than the ${var.database.max_connections} that the database takes."
    }
  }
}
