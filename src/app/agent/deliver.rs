//! The pump's way to CloudWatch. The connection is set up at the first request, since that may ask the instance for its
//! region; until it can be, data wait in the queue.

use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;

use super::Around;
use crate::aws::client::put::Publisher;
use crate::aws::client::{Clients, Network};
use crate::aws::job::{Access, Role};
use crate::model::Datum;
use crate::push::job::PushSettings;
use crate::push::pump::{Destination, Refused};
use crate::seam::Failure;
use crate::secret;

pub(super) struct Delivery {
    around: Around,
    push: PushSettings,
    publisher: OnceCell<Publisher>,
}

impl Delivery {
    pub(super) fn new(around: Around, push: PushSettings) -> Self {
        Self { around, push, publisher: OnceCell::new() }
    }

    async fn publisher(&self) -> Result<&Publisher, Failure> {
        let connect = async || {
            let network = Network { dual_stack: self.push.dual_stack, ..self.around.network.clone() };
            let clients = Clients::load(Access::default(), &network).await?;
            let role = Role { arn: self.push.role_arn.clone(), ..Role::default() };
            let PushSettings { region, endpoint_url, namespace, .. } = &self.push;
            if let Some(url) = endpoint_url {
                secret::learn_url(url);
            }
            let publisher = clients.publisher(&role, region.as_ref(), endpoint_url.as_ref(), namespace).await?;
            tracing::info!(%namespace, region = %publisher.region(), "metrics go to CloudWatch");
            Ok(publisher)
        };
        self.publisher.get_or_try_init(connect).await
    }
}

impl Destination for Delivery {
    fn put<'a>(&'a self, data: &'a [Datum]) -> BoxFuture<'a, Result<(), Refused>> {
        Box::pin(async move {
            let publisher = self.publisher().await.map_err(|failure| Refused { failure, for_good: false })?;
            let (result, call) = publisher.put(data).await;
            self.around.shared.telemetry.record_calls(std::slice::from_ref(&call));
            result.map_err(|refusal| Refused { failure: refusal.failure, for_good: refusal.bad_data })
        })
    }
}
