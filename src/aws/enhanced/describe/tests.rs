use super::*;

fn shown(page: &Page<Description>) -> Vec<String> {
    let label = |d: &Dimension| format!("{}={}", d.name, d.value);
    let measure = |m: &Measure| {
        let labels: Vec<String> = m.dimensions.iter().map(label).collect();
        format!("{}/{} {{{}}} {}", m.of, m.metric, labels.join(","), m.value)
    };
    page.items.iter().flat_map(|d| d.measures.iter().map(move |m| format!("{} {}", d.arn, measure(m)))).collect()
}

#[test]
fn only_instances_have_database_ids() {
    for (arn, id) in [
        ("arn:aws:rds:eu-west-1:123456789012:db:orders", Some("orders")),
        ("arn:aws-cn:rds:cn-north-1:1:db:x", Some("x")),
        ("arn:aws:rds:eu-west-1:1:cluster:c", None),
        ("arn:aws:rds:eu-west-1:1:db", None),
        ("arn:aws:rds:eu-west-1:1:db:", None),
        ("arn:aws:rds:eu-west-1:1:db:a:b", None),
        ("arn:aws:ec2:eu-west-1:1:db:x", None),
    ] {
        assert_eq!(database_id(arn), id, "{arn}");
    }
}

#[test]
fn databases_have_their_storage_in_bytes() {
    let xml = r#"<DescribeDBInstancesResponse xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><DescribeDBInstancesResult>
        <DBInstances>
          <DBInstance><DBInstanceIdentifier>orders</DBInstanceIdentifier><DBInstanceClass>db.t3.micro</DBInstanceClass>
            <Engine>postgres</Engine><AllocatedStorage>20</AllocatedStorage>
            <DBInstanceArn>arn:aws:rds:r:1:db:orders</DBInstanceArn></DBInstance>
          <DBInstance><DBInstanceIdentifier>bare</DBInstanceIdentifier><AllocatedStorage>1</AllocatedStorage>
            <DBInstanceArn>arn:aws:rds:r:1:db:bare</DBInstanceArn></DBInstance>
          <DBInstance><DBInstanceIdentifier>none</DBInstanceIdentifier>
            <DBInstanceArn>arn:aws:rds:r:1:db:none</DBInstanceArn></DBInstance>
        </DBInstances><Marker>more</Marker></DescribeDBInstancesResult></DescribeDBInstancesResponse>"#;
    let page = read_databases(xml.as_bytes()).unwrap();
    assert_eq!(page.next.as_deref(), Some("more"));
    assert_eq!(
        shown(&page),
        [
            "arn:aws:rds:r:1:db:orders AllocatedStorage/AllocatedStorage \
             {DBInstanceIdentifier=orders,DatabaseClass=db.t3.micro,EngineName=postgres} 21474836480",
            "arn:aws:rds:r:1:db:bare AllocatedStorage/AllocatedStorage {DBInstanceIdentifier=bare} 1073741824",
        ]
    );
    assert!(read_databases(b"<html><body>gateway</body></html>").is_err());
}

#[test]
fn clusters_have_their_nodes() {
    let xml = "<DescribeCacheClustersResponse><DescribeCacheClustersResult><CacheClusters>\
        <CacheCluster><CacheClusterId>c-1</CacheClusterId><ReplicationGroupId>c</ReplicationGroupId><NumCacheNodes>3</NumCacheNodes>\
        <ARN>arn:c-1</ARN><CacheNodes><CacheNode><CacheNodeId>1</CacheNodeId></CacheNode></CacheNodes></CacheCluster>\
        <CacheCluster><CacheClusterId>m</CacheClusterId><NumCacheNodes>1</NumCacheNodes><ARN>arn:m</ARN></CacheCluster>\
        </CacheClusters></DescribeCacheClustersResult></DescribeCacheClustersResponse>";
    let page = read_cache_clusters(xml.as_bytes()).unwrap();
    assert_eq!(page.next, None);
    assert_eq!(
        shown(&page),
        [
            "arn:c-1 NumCacheNodes/NumCacheNodes {CacheClusterId=c-1,ReplicationGroupId=c} 3",
            "arn:m NumCacheNodes/NumCacheNodes {CacheClusterId=m} 1",
        ]
    );
}

#[test]
fn functions_have_seconds_and_bytes() {
    let json = r#"{"Functions":[{"FunctionName":"f","FunctionArn":"arn:f","Timeout":30,"MemorySize":128,"Runtime":"x"},
        {"FunctionName":"g","FunctionArn":"arn:g","Timeout":3}],"NextMarker":"n"}"#;
    let page = read_functions(json.as_bytes()).unwrap();
    assert_eq!(page.next.as_deref(), Some("n"));
    assert_eq!(
        shown(&page),
        [
            "arn:f Timeout/Timeout {FunctionName=f} 30",
            "arn:f MemorySize/MemorySize {FunctionName=f} 134217728",
            "arn:g Timeout/Timeout {FunctionName=g} 3",
        ]
    );
    assert!(read_functions(b"{\"Functions\":1}").is_err());
}

#[test]
fn tables_and_their_indexes_have_items_and_bytes() {
    let json = r#"{"Table":{"TableName":"t","TableArn":"arn:t","ItemCount":5,"TableSizeBytes":1000,
        "GlobalSecondaryIndexes":[{"IndexName":"i","ItemCount":4,"IndexSizeBytes":100}]}}"#;
    let table = read_table(json.as_bytes()).unwrap().unwrap();
    assert_eq!(
        shown(&Page { items: vec![table], next: None }),
        [
            "arn:t ItemCount/ItemCount {TableName=t} 5",
            "arn:t TableSizeBytes/TableSizeBytes {TableName=t} 1000",
            "arn:t ItemCount/ItemCount {TableName=t,GlobalSecondaryIndexName=i} 4",
            "arn:t TableSizeBytes/IndexSizeBytes {TableName=t,GlobalSecondaryIndexName=i} 100",
        ]
    );
    assert_eq!(read_table(b"{}").unwrap(), None);
    assert!(read_table(b"[]").is_err());
}
