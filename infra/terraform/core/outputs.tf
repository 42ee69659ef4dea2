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

output "deployment_principal_id" {
  description = "For registry_readers of the environment that CI pushes to, DEV."
  value       = azurerm_user_assigned_identity.this["deployment"].principal_id
}

output "identity_client_ids" {
  description = "For the service connections of the pipelines."
  value       = { for name, identity in azurerm_user_assigned_identity.this : name => identity.client_id }
}
