#include "lake/replay.h"

namespace millrace::lake {

void TableState::apply(Actions&& actions) {
  if (actions.protocol) protocol = std::move(actions.protocol);
  if (actions.metadata) metadata = std::move(actions.metadata);
  for (RemoveFile& remove : actions.removes) {
    std::string key = remove.file.key();
    files.erase(key);
    tombstones.put(std::move(key), std::make_shared<const RemoveFile>(std::move(remove)));
  }
  for (AddFile& add : actions.adds) {
    std::string key = add.file.key();
    tombstones.erase(key);
    files.put(std::move(key), std::make_shared<const AddFile>(std::move(add)));
  }
  for (Txn& txn : actions.txns) txns[txn.app_id] = std::move(txn);
  for (DomainMetadata& domain : actions.domains) {
    if (domain.removed) {
      domains.erase(domain.domain);
    } else {
      domains[domain.domain] = std::move(domain);
    }
  }
}

}  // namespace millrace::lake
