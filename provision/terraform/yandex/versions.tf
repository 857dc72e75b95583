terraform {
  required_version = ">= 1.5"
  required_providers {
    yandex = {
      source = "yandex-cloud/yandex"
      # From the release whose documentation the tests compare this module with.
      version = "~> 0.222"
    }
  }
}

# The token, cloud and folder come from YC_TOKEN, YC_CLOUD_ID and YC_FOLDER_ID in the environment,
# so that no secret is in a file or in the state.
provider "yandex" {
  zone = var.zones[0]
}
