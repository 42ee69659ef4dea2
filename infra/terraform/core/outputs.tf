output "public_address" {
  description = "What the DNS of the service's host must name."
  value       = module.gateway.public_address
}

output "database_host" {
  description = "For the one-time SQL of docs/infrastructure.md."
  value       = module.database.host
}

output "connections" {
  description = "Database connections at their most."
  value       = local.connections
}
